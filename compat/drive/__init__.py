"""The machinery of compat/run.py: manifests, installs, the broker under test, verdicts. No check of a client lives here."""
