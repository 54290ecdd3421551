#!/usr/bin/env bash
# Publishes the code of ../src as a new version and points the alias to it.
# Running executions stay on the version on which they started.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

NAME=${NAME:-durable-orders}

python3 -m zipfile --create function.zip ../src/app.py
aws lambda update-function-code --function-name "$NAME" --zip-file fileb://function.zip
aws lambda wait function-updated-v2 --function-name "$NAME"
VERSION=$(aws lambda publish-version --function-name "$NAME" \
    --query Version --output text)
aws lambda update-alias --function-name "$NAME" --name live \
    --function-version "$VERSION"
