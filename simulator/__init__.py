"""Salesforce on this machine: the APIs that a BYOC partner talks to, with faults on demand."""
