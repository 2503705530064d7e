"""A server that speaks S3, on a free port that it prints. Bucket `broken` takes one part only."""

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

application = DomainDispatcherApplication(create_backend_app)


def serve(environ, start_response):
    is_broken = environ["PATH_INFO"].startswith("/broken/")
    if is_broken and "partNumber=2" in environ["QUERY_STRING"]:
        environ["wsgi.input"].read()
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [b"<Error><Code>AccessDenied</Code><Message>no more parts</Message></Error>"]
    return application(environ, start_response)


server = make_server("127.0.0.1", 0, serve, threaded=True)
print(server.port, flush=True)
server.serve_forever()
