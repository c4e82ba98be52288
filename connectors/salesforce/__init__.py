"""Logging in to a Salesforce org, and how it is reached."""
