"""`check(code, scale) -> CheckReport`: broken and cheating designs get no score."""
