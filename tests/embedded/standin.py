"""Small programs that stand in for the worker, the gateway and the migration."""

import sys
import textwrap


def _python(program: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", textwrap.dedent(program), *arguments)


# Starts a process of its own, as the worker starts ffmpeg; then reports that it polls.
WORKER = _python(
    """
    import os, pathlib, subprocess, time
    child = subprocess.Popen(["sleep", "600"])
    pathlib.Path(os.environ["FILMFORGE_READY_FILE"]).write_text(str(child.pid))
    time.sleep(600)
    """
)

MIGRATION = _python("pass")


def gateway(port: int) -> tuple[str, ...]:
    """Answers every GET with the part of its environment that it was told."""
    return _python(
        """
        import http.server, json, os, sys

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                told = {k: v for k, v in os.environ.items() if k.split("_")[0] in
                        ("AWS", "FILMFORGE", "TEMPORAL")}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(told).encode())

            def log_message(self, *arguments):
                pass

        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
        """,
        str(port),
    )


FAKE = _python(
    """
    import http.server, os, urllib.parse
    port = urllib.parse.urlsplit(os.environ["FILMFORGE_FAKE_URL"]).port
    http.server.HTTPServer(
        ("127.0.0.1", port), http.server.SimpleHTTPRequestHandler
    ).serve_forever()
    """
)
