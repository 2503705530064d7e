"""s3_files.py BUCKET FOLDER: makes the bucket if need be, copies its files into the folder, and
prints how many uploads are under way in it. The server and the credentials are in the environment.
"""

import pathlib
import sys

import boto3

bucket, folder = sys.argv[1:]
s3 = boto3.client("s3")
s3.create_bucket(Bucket=bucket)
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
    for entry in page.get("Contents", []):
        path = pathlib.Path(folder, entry["Key"])
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, entry["Key"], str(path))
print(len(s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])))
