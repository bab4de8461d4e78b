"""Talk to the AWS account: clients, identity, stacks, errors. What Herald deploys there belongs in deploy/ above."""
