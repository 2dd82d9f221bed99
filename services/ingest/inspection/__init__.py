"""`ringtrue inspect`: `reading` hears the files over the cores, `finding` is what comes out, the rest shows it."""
