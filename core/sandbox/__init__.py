"""The only door through which generated code is executed."""
