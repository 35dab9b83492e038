// SPDX-License-Identifier: MIT
// GET by a blocking Socket, or by java.net.http (NIO, epoll): Http socket|client HOST PORT PATH. Prints the body, or why
// there is none.
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Http {
    static String bySocket(String host, int port, String path) throws Exception {
        try (Socket socket = new Socket(host, port)) {
            socket.getOutputStream().write(("GET " + path + " HTTP/1.0\r\nHost: " + host + "\r\n\r\n").getBytes());
            InputStream in = socket.getInputStream();
            String answer = new String(in.readAllBytes());
            return answer.substring(answer.indexOf("\r\n\r\n") + 4);
        }
    }

    static String byClient(String host, int port, String path) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + host + ":" + port + path)).build();
        return client.send(request, HttpResponse.BodyHandlers.ofString()).body();
    }

    public static void main(String[] args) {
        long start = System.nanoTime();
        int status = 0;
        try {
            int port = Integer.parseInt(args[2]);
            System.out.print(args[0].equals("socket") ? bySocket(args[1], port, args[3])
                                                      : byClient(args[1], port, args[3]));
            System.out.flush();
        } catch (Exception error) {
            System.err.println("failed: " + error);
            status = 1;
        }
        System.err.printf("elapsed=%.6f%n", (System.nanoTime() - start) / 1e9);
        System.exit(status);
    }
}
