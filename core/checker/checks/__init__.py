"""One check a file: a function with a name, a threshold and its reason, returning (verdict, evidence, mend)."""
