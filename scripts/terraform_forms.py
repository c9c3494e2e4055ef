"""The forms that resources of CloudFormation have in Terraform: a function for each type, which says what it makes.
What a function does not know is an error or is carried over by name; nothing is left out silently.
"""

from hcl import snake


def blocks(writer, value):
    """A structure with Terraform's names, for nested blocks."""
    if isinstance(value, dict) and not any(name == "Ref" or name.startswith("Fn::") for name in value):
        return {snake(name): blocks(writer, inner) for name, inner in value.items()}
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return [blocks(writer, item) for item in value]
    return writer.value(value)


def dimensions(writer, given):
    return {it["Name"]: writer.value(it["Value"]) for it in given}


def function(writer, name, given):
    variables = writer.of(given["Environment"]["Variables"])
    form = {
        "function_name": "${var.name}",
        "description": given["Description"],
        "filename": "${var.code_zip}",
        "source_code_hash": "${filebase64sha256(var.code_zip)}",
        "environment": {
            "variables": f"${{{{for name, value in {variables} : name => tostring(value) if value != null}}}}"
        },
        "ephemeral_storage": {"size": writer.value(given["EphemeralStorage"]["Size"])},
        "logging_config": {
            "log_format": given["LoggingConfig"]["LogFormat"],
            "log_group": writer.value(given["LoggingConfig"]["LogGroup"]),
        },
    }
    for plain in ("Handler", "Runtime", "Role", "MemorySize", "Timeout", "Architectures"):
        form[snake(plain)] = writer.value(given[plain])
    # Terraform's word for "not reserved" is -1.
    reserved = writer.of(given["ReservedConcurrentExecutions"])
    form["reserved_concurrent_executions"] = f'${{tonumber(coalesce({reserved}, "-1"))}}'
    condition, network, _ = given["VpcConfig"]["Fn::If"]
    form["dynamic"] = {
        "vpc_config": {
            "for_each": f"${{local.{snake(condition)} ? [1] : []}}",
            "content": {
                "subnet_ids": writer.value(network["SubnetIds"]),
                "security_group_ids": writer.value(network["SecurityGroupIds"]),
            },
        }
    }
    if "TracingConfig" in given:
        form["tracing_config"] = {"mode": writer.value(given["TracingConfig"]["Mode"])}
    known = {
        "Environment",
        "EphemeralStorage",
        "LoggingConfig",
        "VpcConfig",
        "Code",
        "Description",
        "Tags",
        "TracingConfig",
    }
    known |= {"Handler", "Runtime", "Role", "MemorySize", "Timeout", "Architectures", "ReservedConcurrentExecutions"}
    if set(given) - known:
        raise ValueError(f"{name} has {sorted(set(given) - known)}, which has no form here")
    return {"aws_lambda_function": {snake(name): form}}


def invoke(writer, name, given):
    form = {
        "function_name": writer.value(given["FunctionName"]),
        "qualifier": given["Qualifier"],
        "maximum_retry_attempts": given["MaximumRetryAttempts"],
        "maximum_event_age_in_seconds": given["MaximumEventAgeInSeconds"],
        "destination_config": {
            "on_failure": {"destination": writer.value(given["DestinationConfig"]["OnFailure"]["Destination"])}
        },
    }
    return {"aws_lambda_function_event_invoke_config": {snake(name): form}}


def permission(writer, name, given):
    return {"aws_lambda_permission": {snake(name): {snake(key): writer.value(value) for key, value in given.items()}}}


def rule(writer, name, given):
    (target,) = given["Targets"]
    form = {"name": f"${{var.name}}-{name}", "description": given.get("Description")}
    if "EventPattern" in given:
        form["event_pattern"] = writer.text(given["EventPattern"])
    if "ScheduleExpression" in given:
        form["schedule_expression"] = writer.value(given["ScheduleExpression"])
    to = {
        "rule": f"${{aws_cloudwatch_event_rule.{snake(name)}.name}}" if not writer.rehearsal else f"<{name}>",
        "arn": writer.value(target["Arn"]),
        "retry_policy": {snake(key): value for key, value in target["RetryPolicy"].items()},
        "dead_letter_config": {"arn": writer.value(target["DeadLetterConfig"]["Arn"])},
    }
    return {"aws_cloudwatch_event_rule": {snake(name): form}, "aws_cloudwatch_event_target": {snake(name): to}}


def log(writer, name, given):
    form = {"name": writer.value(given["LogGroupName"]), "retention_in_days": writer.value(given["RetentionInDays"])}
    return {"aws_cloudwatch_log_group": {snake(name): form}}


def metric_filter(writer, name, given):
    (change,) = given["MetricTransformations"]
    moved = {
        {"MetricName": "name", "MetricNamespace": "namespace", "MetricValue": "value"}.get(key, snake(key)): (
            {it["Key"]: writer.value(it["Value"]) for it in value} if key == "Dimensions" else writer.value(value)
        )
        for key, value in change.items()
    }
    form = {
        "name": f"${{var.name}}-{name}",
        "log_group_name": writer.value(given["LogGroupName"]),
        "pattern": writer.value(given["FilterPattern"]),
        "metric_transformation": moved,
    }
    return {"aws_cloudwatch_log_metric_filter": {snake(name): form}}


def role(writer, name, given):
    form = {
        "name": f"${{var.name}}-{name}",
        "description": given["Description"],
        "assume_role_policy": writer.text(given["AssumeRolePolicyDocument"]),
    }
    (policy,) = given["Policies"]
    of = f"${{aws_iam_role.{snake(name)}.name}}" if not writer.rehearsal else f"<{name}>"
    own = {"name": policy["PolicyName"], "role": of, "policy": writer.text(policy["PolicyDocument"])}
    return {"aws_iam_role": {snake(name): form}, "aws_iam_role_policy": {snake(name): own}}


def bucket(writer, name, given):
    of = f"${{aws_s3_bucket.{snake(name)}.id}}" if not writer.rehearsal else f"<{name}>"
    (encryption,) = given["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (owner,) = given["OwnershipControls"]["Rules"]
    rules = [
        {
            "id": it["Id"],
            "status": it["Status"],
            "filter": {},
            "expiration": {"days": it["ExpirationInDays"]},
            "abort_incomplete_multipart_upload": {
                "days_after_initiation": it["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
            },
        }
        for it in given["LifecycleConfiguration"]["Rules"]
    ]
    algorithm = encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
    apply = {"apply_server_side_encryption_by_default": {"sse_algorithm": algorithm}}
    blocked = {snake(key): value for key, value in given["PublicAccessBlockConfiguration"].items()}
    short = snake(name)
    return {
        "aws_s3_bucket": {short: {"bucket_prefix": f"${{lower(var.name)}}-{short}-"}},
        "aws_s3_bucket_server_side_encryption_configuration": {short: {"bucket": of, "rule": apply}},
        "aws_s3_bucket_ownership_controls": {
            short: {"bucket": of, "rule": {"object_ownership": owner["ObjectOwnership"]}}
        },
        "aws_s3_bucket_public_access_block": {short: {"bucket": of} | blocked},
        "aws_s3_bucket_lifecycle_configuration": {short: {"bucket": of, "rule": rules}},
    }


def bucket_policy(writer, name, given):
    form = {"bucket": writer.value(given["Bucket"]), "policy": writer.text(given["PolicyDocument"])}
    return {"aws_s3_bucket_policy": {snake(name): form}}


def secret(writer, name, given):
    form = {
        # As with the bucket, a name of its own: a deleted secret keeps its name for days.
        "name_prefix": "${var.name}-",
        "description": given["Description"],
        "kms_key_id": writer.value(given["KmsKeyId"]),
        "tags": {tag["Key"]: tag["Value"] for tag in given["Tags"]},
    }
    return {"aws_secretsmanager_secret": {snake(name): form}}


def queue(writer, name, given):
    form = {
        "name": f"${{var.name}}-{name}",
        "message_retention_seconds": given["MessageRetentionPeriod"],
        "sqs_managed_sse_enabled": given["SqsManagedSseEnabled"],
    }
    return {"aws_sqs_queue": {snake(name): form}}


def queue_policy(writer, name, given):
    (of,) = given["Queues"]
    return {
        "aws_sqs_queue_policy": {
            snake(name): {"queue_url": writer.value(of), "policy": writer.text(given["PolicyDocument"])}
        }
    }


def action_type(writer, name, given):
    form = {
        "category": given["Category"],
        "provider_name": writer.value(given["Provider"]),
        "version": writer.value(given["Version"]),
        "input_artifact_details": blocks(writer, given["InputArtifactDetails"]),
        "output_artifact_details": blocks(writer, given["OutputArtifactDetails"]),
        "settings": blocks(writer, given["Settings"]),
        "configuration_property": [blocks(writer, it) for it in given["ConfigurationProperties"]],
    }
    return {"aws_codepipeline_custom_action_type": {snake(name): form}}


def alarm(writer, name, given):
    form = {"alarm_name": f"${{var.name}}-{name}"}
    for key, value in given.items():
        if key == "Dimensions":
            form["dimensions"] = dimensions(writer, value)
        elif key == "Metrics":
            form["metric_query"] = [metric(writer, it) for it in value]
        elif key != "AlarmName":
            form[snake(key)] = writer.value(value)
    return {"aws_cloudwatch_metric_alarm": {snake(name): form}}


def metric(writer, given):
    form = {snake(key): writer.value(value) for key, value in given.items() if key != "MetricStat"}
    if "MetricStat" in given:
        of = given["MetricStat"]
        form["metric"] = {
            "namespace": of["Metric"]["Namespace"],
            "metric_name": of["Metric"]["MetricName"],
            "dimensions": dimensions(writer, of["Metric"].get("Dimensions", [])),
            "period": of["Period"],
            "stat": of["Stat"],
        }
    return form


def dashboard(writer, name, given):
    body = writer.value(given["DashboardBody"])
    return {"aws_cloudwatch_dashboard": {snake(name): {"dashboard_name": "${var.name}", "dashboard_body": body}}}


FORMS = {
    "AWS::Lambda::Function": function,
    "AWS::Lambda::EventInvokeConfig": invoke,
    "AWS::Lambda::Permission": permission,
    "AWS::Events::Rule": rule,
    "AWS::Logs::LogGroup": log,
    "AWS::Logs::MetricFilter": metric_filter,
    "AWS::IAM::Role": role,
    "AWS::S3::Bucket": bucket,
    "AWS::S3::BucketPolicy": bucket_policy,
    "AWS::SecretsManager::Secret": secret,
    "AWS::SQS::Queue": queue,
    "AWS::SQS::QueuePolicy": queue_policy,
    "AWS::CodePipeline::CustomActionType": action_type,
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::CloudWatch::Dashboard": dashboard,
}
