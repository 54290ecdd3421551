"""The order function as an AWS CDK app. Deploy it with ``cdk deploy``."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

DEPLOY = Path(__file__).parents[1]
RUNTIMES = [lambda_.Runtime.PYTHON_3_13, lambda_.Runtime.PYTHON_3_14]


class OrdersStack(Stack):
    """A durable function, its role, its logs and its alias."""

    def __init__(
        self,
        scope: Construct,
        stack_id: str,
        *,
        architecture: lambda_.Architecture = lambda_.Architecture.ARM_64,
    ) -> None:
        super().__init__(scope, stack_id)
        name = f"{stack_id}-orders"
        arn = (
            f"arn:{self.partition}:lambda:{self.region}:{self.account}:function:{name}"
        )

        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{name}",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={
                "orders": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            actions=[
                                "lambda:CheckpointDurableExecution",
                                "lambda:GetDurableExecutionState",
                            ],
                            # An execution belongs to a version of the function.
                            resources=[f"{arn}:*"],
                        ),
                        iam.PolicyStatement(
                            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                            resources=[log_group.log_group_arn],
                        ),
                        iam.PolicyStatement(
                            actions=[
                                "xray:PutTraceSegments",
                                "xray:PutTelemetryRecords",
                            ],
                            resources=["*"],  # X-Ray has no narrower one
                        ),
                    ]
                )
            },
        )
        powertools = lambda_.LayerVersion.from_layer_version_arn(
            self,
            "Powertools",
            f"arn:{self.partition}:lambda:{self.region}:017000801446:layer:"
            f"AWSLambdaPowertoolsPythonV3-python313-{architecture.name}:37",
        )
        durable = lambda_.LayerVersion(
            self,
            "Durable",
            code=lambda_.Code.from_asset(
                str(DEPLOY / "layer.zip")
            ),  # `make layer` builds it
            compatible_runtimes=RUNTIMES,
            removal_policy=RemovalPolicy.RETAIN,  # versions refer to it
        )
        function = lambda_.Function(
            self,
            "Orders",
            function_name=name,
            code=lambda_.Code.from_asset(str(DEPLOY / "src")),
            handler="app.handler",
            runtime=RUNTIMES[0],
            architecture=architecture,
            memory_size=512,
            timeout=Duration.seconds(
                60
            ),  # of one invocation: longer than the longest step
            # Accepted when the function is created, and never later.
            durable_config=lambda_.DurableConfig(
                execution_timeout=Duration.days(3),
                retention_period=Duration.days(14),
            ),
            # CDK deletes the previous version by default; executions need it.
            current_version_options=lambda_.VersionOptions(
                removal_policy=RemovalPolicy.RETAIN
            ),
            layers=[powertools, durable],
            role=role.without_policy_updates(),  # it has all that it needs
            tracing=lambda_.Tracing.ACTIVE,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            system_log_level_v2=lambda_.SystemLogLevel.INFO,
            environment={"POWERTOOLS_SERVICE_NAME": "orders"},
        )
        alias = function.add_alias(
            "live"
        )  # a durable function is invoked by a version or an alias
        CfnOutput(self, "FunctionName", value=f"{name}:{alias.alias_name}")


app = App()
OrdersStack(app, "durable-orders")
app.synth()
