# Servers and clients as Debian's packages bring them, on the loopback interface of a system WPAR (net) that the first
# test makes.
#
# packages: bash coreutils python3 redis-server redis-tools nginx-light curl
# packages: util-linux openssh-server openssh-client rsync lighttpd haproxy socat rsyslog
# memory: 2G
# cpus: 2
# patience: 120

if lswpar -q net >/dev/null 2>&1; then :; else
	mkwpar -n net >/dev/null
	startwpar net >/dev/null
fi

check SERVER0001 'python3: sockets, socketserver, an http server, asyncio' <<'END'
cat >/wpars/net/tmp/loopback.py <<'PY'
import asyncio, http.server, socket, socketserver, threading, urllib.request, select, selectors, os

# Names, both families, timeouts.
assert ("127.0.0.1", 80) in [info[4] for info in socket.getaddrinfo("localhost", 80, socket.AF_INET)]
assert socket.gethostname() == "net" and socket.gethostbyname("net") == "127.0.1.1"
with socket.create_server(("net", 0)) as server:
    socket.create_connection(server.getsockname()).close()
with socket.create_server(("localhost", 0)) as server:
    with socket.create_connection(server.getsockname(), timeout=30) as client:
        peer, address = server.accept()
        assert address == client.getsockname()
        client.sendall(b"x" * 500000) if os.fork() == 0 and os._exit(0) else None
        with peer: pass
with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_connection((host, server.getsockname()[1])):
            server.accept()[0].close()

# Threads and a server of the library.
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())
with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    def ask(n):
        with socket.create_connection(server.server_address) as client:
            f = client.makefile("rwb")
            for turn in range(20):
                f.write(b"line %d\n" % (n * turn)); f.flush()
                assert f.readline() == b"LINE %d\n" % (n * turn)
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    [t.start() for t in threads]; [t.join() for t in threads]
    server.shutdown()

with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = server.server_address
    with urllib.request.urlopen(f"http://localhost:{port}/tmp/loopback.py") as page:
        assert page.read() == open("/tmp/loopback.py", "rb").read()
    server.shutdown()

# Datagrams.
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
    one.bind(("127.0.0.1", 0)); two.connect(one.getsockname())
    two.send(b"hi"); data, where = one.recvfrom(100); assert (data, where) == (b"hi", two.getsockname())

# asyncio: many clients at once, datagrams, a server that closes.
async def main():
    async def echo(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    server = await asyncio.start_server(echo, "localhost", 0)
    port = server.sockets[0].getsockname()[1]
    async def client(n):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        data = os.urandom(1000 * n)
        writer.write(data); writer.write_eof()
        assert await reader.read() == data
        writer.close(); await writer.wait_closed()
    await asyncio.gather(*(client(n) for n in range(100)))
    server.close(); await server.wait_closed()
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return "refused"
assert asyncio.run(main()) == "refused"
print("done")
PY
test "$(clogin net sh -c 'cd / && python3 -W error::ResourceWarning /tmp/loopback.py' 2>err)" = done || { cat err; exit 1; }
END

check SERVER0002 'redis: its client, pipelines, subscribers, fifty connections of its benchmark' <<'END'
clogin net bash -c '
set -e
cd /tmp; mkdir -p redis
redis-server --port 6400 --dir /tmp/redis --daemonize yes --logfile /tmp/redis/log --save "" --pidfile /tmp/redis/pid >/dev/null
end=$((SECONDS + 60)); until redis-cli -p 6400 ping 2>/dev/null | grep -q PONG; do test $SECONDS -lt $end; done
test "$(redis-cli -p 6400 set key value)" = OK
test "$(redis-cli -p 6400 get key)" = value
seq 1000 | sed "s/.*/set k& &/" | redis-cli -p 6400 --pipe | grep -q "replies: 1000"
test "$(redis-cli -p 6400 dbsize)" = 1001
redis-benchmark -p 6400 -n 5000 -c 50 -q -t ping,set,get,lrange_100 >out; tr "\r" "\n" <out | grep -c "requests per second" | grep -q "[4-9]"
redis-cli -p 6400 shutdown nosave || true
end=$((SECONDS + 60)); while redis-cli -p 6400 ping 2>/dev/null; do test $SECONDS -lt $end; done
'
END

check SERVER0003 'nginx serves files, ranges and errors to curl' <<'END'
clogin net bash -c '
set -e
mkdir -p /tmp/web/root /var/lib/nginx /var/log/nginx /run; cd /tmp/web
cat >conf <<CONF
user root system; master_process off; daemon off; pid /tmp/web/pid; error_log /tmp/web/error.log;
events { worker_connections 512; multi_accept on; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_timeout 65;
  server { listen 8080; listen [::]:8080; root /tmp/web/root; location /slow/ { proxy_pass http://127.0.0.1:8080/; } } }
CONF
seq 100000 >root/numbers; echo "hello" >root/index.html
nginx -c /tmp/web/conf & server=$!
end=$((SECONDS + 60)); until curl -s -o /dev/null http://127.0.0.1:8080/; do test $SECONDS -lt $end; done
test "$(curl -s http://127.0.0.1:8080/)" = hello
test "$(curl -s "http://[::1]:8080/")" = hello
curl -s http://localhost:8080/numbers | cmp - root/numbers
curl -s http://localhost:8080/slow/numbers | cmp - root/numbers
test "$(curl -s -r 0-3 http://127.0.0.1:8080/numbers | tr "\n" .)" = 1.2.
test "$(curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:8080/none)" = 404
curl -s --parallel --parallel-max 20 $(for i in $(seq 60); do echo -o /dev/null http://127.0.0.1:8080/numbers; done)
kill -QUIT $server
wait $server
! curl -s http://127.0.0.1:8080/
cd /; rm -r /tmp/web
' 2>err || { cat err; exit 1; }
END

check SERVER0060 'nginx with a master and two workers takes a new configuration' <<'END'
clogin net bash -c '
set -e
mkdir -p /tmp/web/root /var/lib/nginx /var/log/nginx; chmod 755 /tmp/web /tmp/web/root; cd /tmp/web
conf() {
cat >conf <<CONF
user nobody nogroup; worker_processes 2; pid /tmp/web/pid; error_log /tmp/web/error.log;
events { worker_connections 64; }
http { access_log off; server { listen 127.0.0.1:$1; root /tmp/web/root; } }
CONF
}
answers() { end=$((SECONDS + 60)); until test "$(curl -s http://127.0.0.1:$1/)" = hello; do test $SECONDS -lt $end; done; }
echo hello >root/index.html
conf 8090; nginx -c /tmp/web/conf; answers 8090
conf 8091; nginx -c /tmp/web/conf -s reload; answers 8091
master=$(cat pid); nginx -c /tmp/web/conf -s quit
end=$((SECONDS + 60)); while kill -0 $master 2>/dev/null; do test $SECONDS -lt $end; done
cd /; rm -r /tmp/web
' 2>err || { cat err; exit 1; }
END

check SERVER0061 'sshd runs commands, gives terminals, and copies files' <<'END'
clogin net bash -c '
set -e
mkdir -p /run/sshd /root/.ssh /tmp/ssh; cd /tmp/ssh
ssh-keygen -q -t ed25519 -N "" -f host; ssh-keygen -q -t ed25519 -N "" -f own; cp own.pub /root/.ssh/authorized_keys
grep -q ^sshd: /etc/passwd || echo sshd:x:101:65534::/run/sshd:/bin/false >>/etc/passwd
echo Subsystem sftp internal-sftp >conf
/usr/sbin/sshd -D -e -f $PWD/conf -p 2222 -h $PWD/host -o StrictModes=no -o PidFile=none 2>log & server=$!
how="-i own -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o LogLevel=ERROR"
end=$((SECONDS + 60)); until ssh -p 2222 $how root@127.0.0.1 true; do test $SECONDS -lt $end; done
test "$(ssh -p 2222 $how root@127.0.0.1 id -u)" = 0
ssh -p 2222 -tt $how root@127.0.0.1 tty | grep -q ^/dev/pts
seq 20000 >x; scp -q -P 2222 $how x root@127.0.0.1:/tmp/ssh/y; cmp x y
rsync -a -e "ssh -p 2222 $how" x root@127.0.0.1:/tmp/ssh/z; cmp x z
kill $server; cd /; rm -r /tmp/ssh /root/.ssh
' 2>err || { cat err; exit 1; }
END

check SERVER0062 'rsyslogd takes what is sent to /dev/log; haproxy leads to lighttpd' <<'END'
clogin net bash -c '
set -e
mkdir -p /tmp/three/root /var/spool/rsyslog; cd /tmp/three
printf "module(load=\"imuxsock\")\n*.* /tmp/three/log\n" >conf; rsyslogd -f $PWD/conf -i $PWD/syslog
end=$((SECONDS + 60)); until test -S /dev/log; do test $SECONDS -lt $end; done
logger -t me hello; until grep -q "me: hello" log; do test $SECONDS -lt $end; done
echo light >root/index.html
cat >light <<CONF
server.document-root="/tmp/three/root"
server.port=8092
server.bind="127.0.0.1"
server.pid-file="/tmp/three/lighttpd"
index-file.names=("index.html")
CONF
cat >ha <<CONF
global
  nbthread 2
  stats socket /tmp/three/stats
defaults
  mode http
  timeout connect 30s
  timeout client 30s
  timeout server 30s
frontend f
  bind 127.0.0.1:8093
  default_backend b
backend b
  server s 127.0.0.1:8092
CONF
lighttpd -f light; haproxy -f ha -D -p $PWD/haproxy
until test "$(curl -s http://127.0.0.1:8093/)" = light; do test $SECONDS -lt $end; done
echo show info | socat - UNIX:stats | grep -q "^Name: HAProxy"
kill $(cat syslog lighttpd haproxy); cd /; rm -r /tmp/three
' 2>err || { cat err; exit 1; }
END
