"""Bringing a stage about: deploy, compare, roll back, destroy. Not what is deployed, which is made in templates/."""
