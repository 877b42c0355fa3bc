"""How both services meet HTTP, as pure ASGI: a client's disconnect must reach the handler.

From the outside in, as a request meets them:

    serve             uvicorn, its limits, the end of a process
    protocol          connections and heads, with bounds
    answering         from an answer to bytes; whole_response is one that needs nothing more
    overload          what is too much is refused at once
    draining          not ready, still serving, then over
    edge              id, log line, count, headers of security and CORS, the net for bugs; its parts are in
                      request_id, security_headers, cors
    direct            FastAPI, and beside it the endpoints that are called most
    limits fields     bodies and header lines, read with bounds
    hang_up           whether somebody still waits
    health            /healthz, /readyz, /metrics
    spans             traces of requests
"""
