"""ALG 5: who is a parent, what is verified next, and at which scale. Pure functions of the tree."""
