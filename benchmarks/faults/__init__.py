"""Faults injected into small projects: what each one shows, and whether anything is lost or wrong afterwards."""
