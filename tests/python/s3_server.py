"""A server that speaks S3, on a free port that it prints. Bucket `broken` takes one part of an upload
only, bucket `unmarked` no file with the id of an upload; in bucket `held` the first second part has to
wait, which is told on a line.
"""

import time

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

application = DomainDispatcherApplication(create_backend_app)
held = []


def serve(environ, start_response):
    bucket = environ["PATH_INFO"].split("/")[1]
    is_second_part = "partNumber=2" in environ["QUERY_STRING"]
    is_mark = environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith(".tmp")
    if is_second_part and bucket == "broken" or is_mark and bucket == "unmarked":
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [b"<Error><Code>AccessDenied</Code><Message>not here</Message></Error>"]
    if is_second_part and bucket == "held" and not held:
        held.append(True)
        print("held", flush=True)
        time.sleep(30)
    return application(environ, start_response)


server = make_server("127.0.0.1", 0, serve, threaded=True)
print(server.port, flush=True)
server.serve_forever()
