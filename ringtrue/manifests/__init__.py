"""Manifests: `layouts` are data, `tables` reads the bytes, `rows` one row, `manifest` the whole."""
