"""What others do: `ENDPOINT set-up plain|versioned` (prints the queue's URL), `ENDPOINT put KEY TEXT`,
`ENDPOINT tell URL BODY`, `ENDPOINT abort-uploads-after DAYS`."""

import sys

import boto3

endpoint, command, *arguments = sys.argv[1:]
s3, sqs = (
    boto3.client(service, endpoint_url=endpoint, region_name="us-east-1")
    for service in ("s3", "sqs")
)
if command == "set-up":
    s3.create_bucket(Bucket="landing")
    if arguments == ["versioned"]:
        s3.put_bucket_versioning(
            Bucket="landing", VersioningConfiguration={"Status": "Enabled"}
        )
    url = sqs.create_queue(QueueName="landing")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    told = {
        "QueueArn": asked["Attributes"]["QueueArn"],
        "Events": ["s3:ObjectCreated:*"],
    }
    s3.put_bucket_notification_configuration(
        Bucket="landing", NotificationConfiguration={"QueueConfigurations": [told]}
    )
    print(url)
elif command == "put":
    key, text = arguments
    s3.put_object(Bucket="landing", Key=key, Body=text.encode())
elif command == "tell":
    url, body = arguments
    sqs.send_message(QueueUrl=url, MessageBody=body)
elif command == "abort-uploads-after":
    (days,) = arguments
    rule = {
        "ID": "tidy up",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": int(days)},
    }
    s3.put_bucket_lifecycle_configuration(
        Bucket="landing", LifecycleConfiguration={"Rules": [rule]}
    )
else:
    sys.exit(f"no such command: {command}")
