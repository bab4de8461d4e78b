"""Make CloudFormation templates and IAM policies, as data, from manifest and configuration. Nothing calls AWS here."""
