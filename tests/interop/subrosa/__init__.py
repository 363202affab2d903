"""A client of the subrosa protocol, version 1, written from proto/SPEC.md alone."""
