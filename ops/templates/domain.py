"""The template of a stage's own domain: certificate, domain name, its mapping to the REST API, and DNS record.

It is a stack of its own, as it may wait for days for a DNS record that a person sets.
"""

from __future__ import annotations

from typing import Any

from ops.config.schema import DomainTable

REST_API = "RestApi"
"""The parameter with the id of the REST API that Chalice fills."""
API_STAGE = "ApiStage"
TARGET = "Target"
"""The output with the host name to which the domain's DNS record must lead."""
CERTIFICATE = "Certificate"


def template(domain: DomainTable) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-regional-api-custom-domain-create.html"""
    certificate = {
        "Type": "AWS::CertificateManager::Certificate",
        "Properties": {
            "DomainName": domain.name,
            "ValidationMethod": "DNS",
            **(
                {"DomainValidationOptions": [{"DomainName": domain.name, "HostedZoneId": domain.hosted_zone}]}
                if domain.hosted_zone
                else {}
            ),
        },
    }
    record = {
        "Type": "AWS::Route53::RecordSet",
        "Properties": {
            "HostedZoneId": domain.hosted_zone,
            "Name": domain.name,
            "Type": "A",
            "AliasTarget": {
                "DNSName": {"Fn::GetAtt": ["Domain", "RegionalDomainName"]},
                "HostedZoneId": {"Fn::GetAtt": ["Domain", "RegionalHostedZoneId"]},
            },
        },
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Herald: the domain {domain.name} of its API",
        "Parameters": {
            REST_API: {"Type": "String", "Description": "Id of the REST API"},
            API_STAGE: {"Type": "String", "Description": "Its stage"},
        },
        "Resources": {
            **({} if domain.certificate else {CERTIFICATE: certificate}),
            "Domain": {
                "Type": "AWS::ApiGateway::DomainName",
                "Properties": {
                    "DomainName": domain.name,
                    "RegionalCertificateArn": domain.certificate or {"Ref": CERTIFICATE},
                    "EndpointConfiguration": {"Types": ["REGIONAL"]},
                    "SecurityPolicy": "TLS_1_2",
                },
            },
            "Mapping": {
                "Type": "AWS::ApiGateway::BasePathMapping",
                "Properties": {
                    "DomainName": {"Ref": "Domain"},
                    "RestApiId": {"Ref": REST_API},
                    "Stage": {"Ref": API_STAGE},
                },
            },
            **({"Record": record} if domain.hosted_zone else {}),
        },
        "Outputs": {TARGET: {"Value": {"Fn::GetAtt": ["Domain", "RegionalDomainName"]}}},
    }
