// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** A page that reads the events of one answer. Closing it is what closing a browser's tab does. */
final class Page implements AutoCloseable {
  private final HttpURLConnection connection;
  private final BufferedReader lines;

  Page(String address) throws IOException {
    connection = (HttpURLConnection) URI.create(address).toURL().openConnection();
    connection.setReadTimeout(30_000);
    lines =
        new BufferedReader(
            new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8));
  }

  String contentType() {
    return connection.getContentType();
  }

  /** Reads the next event, as its name and its data; null at the end. */
  String next() throws IOException {
    StringBuilder event = new StringBuilder();
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      if (line.startsWith("event:") || line.startsWith("data:")) {
        event.append(event.isEmpty() ? "" : " ").append(line.replaceFirst("^(event|data):", ""));
      } else if (line.isEmpty() && !event.isEmpty()) {
        return event.toString();
      }
    }
    return null;
  }

  List<String> rest() throws IOException {
    List<String> events = new ArrayList<>();
    for (String event = next(); event != null; event = next()) {
      events.add(event);
    }
    return events;
  }

  @Override
  public void close() {
    connection.disconnect();
  }
}
