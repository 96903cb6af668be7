"""An S3 server on 127.0.0.1, moto's, with a bucket of raw logs."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from workflow import EXAMPLE, SHIPPED_CONFIG, tree

BUCKET = "raw-logs"
RAW_LOGS = f"s3://{BUCKET}/of/dandi"


class Bucket:
    """A bucket on a server, and what the server was asked.

    Attributes:
        url: Of the server.
        client: To fill the bucket.
        asked: How often each operation was asked for since `forget`.
    """

    def __init__(self, url: str, client: Any) -> None:
        self.url = url
        self.client = client
        self.asked: Counter[str] = Counter()

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"of/dandi/{name}", Body=content)
        self.asked.clear()

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=f"of/dandi/{name}")
        self.asked.clear()

    def config(self, **changes: Any) -> dict[str, Any]:
        shipped = yaml.safe_load(SHIPPED_CONFIG.read_text("utf-8"))
        s3 = {"endpoint_url": self.url, "tries": 2} | changes
        return shipped | {"raw_logs": RAW_LOGS, "storage": {"s3": s3}}


@contextmanager
def s3_server() -> Iterator[Bucket]:
    """Start a server; its credentials are in the environment meanwhile."""
    import boto3
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_CONFIG_FILE", "/dev/null")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        url = f"http://{host}:{port}"
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
        bucket = Bucket(url, client)
        _count_requests(moto, bucket)
        yield bucket
    moto.stop()


@contextmanager
def bucket_of_example(server: Bucket) -> Iterator[Bucket]:
    """Fill the bucket with the raw logs of the example, and empty it afterwards."""
    server.client.create_bucket(Bucket=BUCKET)
    for name, content in tree(EXAMPLE / "raw").items():
        server.put(name, content)
    yield server
    for page in server.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for found in page.get("Contents", []):
            server.client.delete_object(Bucket=BUCKET, Key=found["Key"])
    server.client.delete_bucket(Bucket=BUCKET)


def _count_requests(moto: Any, bucket: Bucket) -> None:
    """Have the server count lists, and all other requests by method."""
    app = moto._server.app

    def counting(environ: dict[str, Any], start_response: Any) -> Any:
        method, place = environ["REQUEST_METHOD"], environ["PATH_INFO"].strip("/")
        bucket.asked["LIST" if (method, place) == ("GET", BUCKET) else method] += 1
        return app(environ, start_response)

    moto._server.app = counting
