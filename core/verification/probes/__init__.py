"""Probes: generated tasks that small models learn in minutes on a processor; the rung below the ladder."""
