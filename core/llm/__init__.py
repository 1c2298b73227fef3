"""Language models of any provider behind one small interface."""
