#!/usr/bin/env bash
# Creates the order function with its role, logs, layer, first version and alias. AWS CLI 2.32 or later, or 1.43.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

NAME=${NAME:-durable-orders}
ARCHITECTURE=${ARCHITECTURE:-arm64}
REGION=${AWS_REGION:-$(aws configure get region)}
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)

ROLE=$(aws iam create-role --role-name "$NAME" \
    --assume-role-policy-document file://trust-policy.json --query Role.Arn --output text)
aws iam put-role-policy --role-name "$NAME" --policy-name orders \
    --policy-document "$(sed "s/REGION/$REGION/; s/ACCOUNT/$ACCOUNT/; s/NAME/$NAME/" policy.json)"

aws logs create-log-group --log-group-name "/aws/lambda/$NAME"
aws logs put-retention-policy --log-group-name "/aws/lambda/$NAME" --retention-in-days 30

LAYER=$(aws lambda publish-layer-version --layer-name "$NAME-powertools-durable" \
    --zip-file fileb://../layer.zip --compatible-runtimes python3.13 python3.14 \
    --query LayerVersionArn --output text)
POWERTOOLS="arn:aws:lambda:$REGION:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313-$ARCHITECTURE:37"

python3 -m zipfile --create function.zip ../src/app.py
sleep "${ROLE_DELAY:-10}" # a new role takes some seconds until Lambda can assume it

# --durable-config is accepted when the function is created, and never later.
aws lambda create-function --function-name "$NAME" --handler app.handler --runtime python3.13 \
    --architectures "$ARCHITECTURE" --role "$ROLE" --memory-size 512 --timeout 60 \
    --zip-file fileb://function.zip --layers "$POWERTOOLS" "$LAYER" \
    --durable-config ExecutionTimeout=259200,RetentionPeriodInDays=14 \
    --tracing-config Mode=Active \
    --logging-config "LogFormat=JSON,ApplicationLogLevel=INFO,SystemLogLevel=INFO,LogGroup=/aws/lambda/$NAME" \
    --environment 'Variables={POWERTOOLS_SERVICE_NAME=orders}'
aws lambda wait function-active-v2 --function-name "$NAME"

# A durable function is invoked by a version or an alias.
VERSION=$(aws lambda publish-version --function-name "$NAME" --query Version --output text)
aws lambda create-alias --function-name "$NAME" --name live --function-version "$VERSION"
echo "Invoke $NAME:live"
