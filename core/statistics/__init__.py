"""Noise, comparisons, curves: pure functions of figures. numpy and scipy are imported when a function is called, so that a page opens quickly."""
