terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.25, < 7" # durable_config since 6.25
    }
    archive = {
      source  = "hashicorp/archive"
      version = "~> 2.4"
    }
  }
}

variable "name" {
  description = "Name of the function, of its role and of its layer"
  type        = string
  default     = "durable-orders"
}

variable "architecture" {
  description = "arm64 or x86_64"
  type        = string
  default     = "arm64"
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region
  arn       = "arn:${local.partition}:lambda:${local.region}"
  function  = "${local.arn}:${local.account}:function:${var.name}"

  powertools = "${local.arn}:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313"
}

data "archive_file" "code" {
  type        = "zip"
  source_dir  = "${path.module}/../src"
  output_path = "${path.module}/function.zip"
}

resource "aws_lambda_layer_version" "durable" {
  layer_name          = "${var.name}-powertools-durable"
  filename            = "${path.module}/../layer.zip" # `make layer` builds it
  source_code_hash    = filebase64sha256("${path.module}/../layer.zip")
  compatible_runtimes = ["python3.13", "python3.14"]
  skip_destroy        = true # versions that executions run on refer to it
}

resource "aws_lambda_function" "orders" {
  function_name    = var.name
  filename         = data.archive_file.code.output_path
  source_code_hash = data.archive_file.code.output_base64sha256
  handler          = "app.handler"
  runtime          = "python3.13"
  architectures    = [var.architecture]
  memory_size      = 512
  timeout          = 60   # seconds of one invocation: longer than the longest step
  publish          = true # each change makes a version; the earlier ones stay
  role             = aws_iam_role.orders.arn

  # Accepted when the function is created, and never later.
  durable_config {
    execution_timeout = 259200 # seconds of a whole execution: three days
    retention_period  = 14     # days for which the history is kept after the end
  }

  layers = [
    "${local.powertools}-${var.architecture}:37",
    aws_lambda_layer_version.durable.arn,
  ]

  tracing_config {
    mode = "Active"
  }

  logging_config {
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "INFO"
    log_group             = aws_cloudwatch_log_group.orders.name
  }

  environment {
    variables = {
      POWERTOOLS_SERVICE_NAME = "orders"
    }
  }

  depends_on = [aws_iam_role_policy.orders]
}

# A durable function is invoked by a version or an alias.
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.orders.function_name
  function_version = aws_lambda_function.orders.version
}

resource "aws_cloudwatch_log_group" "orders" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 30
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "orders" {
  statement {
    actions = ["lambda:CheckpointDurableExecution", "lambda:GetDurableExecutionState"]
    # With ":*": an execution belongs to a version of the function.
    resources = ["${local.function}:*"]
  }
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.orders.arn}:*"]
  }
  statement {
    actions   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    resources = ["*"] # X-Ray has no narrower one
  }
}

resource "aws_iam_role" "orders" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "orders" {
  name   = "orders"
  role   = aws_iam_role.orders.id
  policy = data.aws_iam_policy_document.orders.json
}

output "function_name" {
  description = "What to invoke, with its alias"
  value       = "${aws_lambda_function.orders.function_name}:${aws_lambda_alias.live.name}"
}
