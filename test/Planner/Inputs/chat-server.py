"""Runs a command beside a chat completions server on this machine.

usage: chat-server.py STATUS REPLY COMMAND...

Every request is answered with STATUS; its body is a completion whose content is the
text of the file REPLY. The command finds the server in KERNELFORGE_LLM_ENDPOINT; its
exit code is this program's.
"""

import http.server
import json
import os
import subprocess
import sys
import threading


class Chat(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": content, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
        body = {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words):
        pass


status, reply, *command = sys.argv[1:]
status = int(status)
with open(reply, encoding="utf-8") as file:
    content = file.read()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chat)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = "http://127.0.0.1:%d/v1" % server.server_port
environment = dict(os.environ, KERNELFORGE_LLM_ENDPOINT=endpoint)
sys.exit(subprocess.run(command, env=environment).returncode)
