#!/usr/bin/env bash
# Removes what create.sh made. Executions that run are lost.
set -euo pipefail

NAME=${NAME:-durable-orders}

aws lambda delete-function --function-name "$NAME"
aws iam delete-role-policy --role-name "$NAME" --policy-name orders
aws iam delete-role --role-name "$NAME"
aws logs delete-log-group --log-group-name "/aws/lambda/$NAME"
