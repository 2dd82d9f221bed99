"""Manifests: `layouts` are data, `tables` finds the table in a file, `rows` reads a row, `manifest` the whole."""
