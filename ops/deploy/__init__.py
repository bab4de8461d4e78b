"""Deploy, compare, roll back and destroy a stage. What is deployed is made in templates/."""
