"""Checks of SAM and CloudFormation templates: what keeps a function from being durable once it is deployed."""
