"""CloudFormation and IAM as data, made from the manifest and the configuration. Nothing here calls AWS."""
