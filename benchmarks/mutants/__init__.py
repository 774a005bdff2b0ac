"""What the tests let pass: small changes of the code, each tried against the tests that reach it."""
