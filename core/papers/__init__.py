"""The papers' library: reading files, importing them, searching, and asking other libraries."""
