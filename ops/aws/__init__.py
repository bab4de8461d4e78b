"""The AWS account: its clients, identity and stacks. What Herald puts there belongs above."""
