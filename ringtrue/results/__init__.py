"""The read side of the results database: queries, their JSON forms, and how they are printed."""
