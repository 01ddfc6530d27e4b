// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.EOFException;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import okhttp3.ConnectionPool;
import okhttp3.HttpUrl;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import okio.BufferedSource;

/** The code that an application would write for one endpoint that never fails. */
final class BareOkHttp {
  private static final MediaType JSON = MediaType.get("application/json");

  private final ObjectMapper mapper = new ObjectMapper();
  private final ObjectReader lines = mapper.readerFor(Line.class);
  private final HttpUrl url;

  /** OkHttp's own pool keeps 5 connections; 32 threads would measure their reopening. */
  private final OkHttpClient http =
      new OkHttpClient.Builder()
          .connectionPool(new ConnectionPool(64, 5, TimeUnit.MINUTES))
          .build();

  BareOkHttp(String baseUrl) {
    this.url = HttpUrl.get(baseUrl + "/api/chat");
  }

  String ask(String prompt) throws IOException {
    try (Response response = execute(prompt)) {
      return answer(response.body().source());
    }
  }

  Streaming.Reading stream(String prompt) throws IOException {
    return new OkHttpReading(execute(prompt));
  }

  private Response execute(String prompt) throws IOException {
    Request request =
        new Request.Builder().url(url).post(RequestBody.create(body(prompt), JSON)).build();
    Response response = http.newCall(request).execute();
    if (!response.isSuccessful()) {
      response.close();
      throw new IOException("HTTP " + response.code());
    }
    return response;
  }

  private byte[] body(String prompt) throws IOException {
    ObjectNode body =
        mapper.createObjectNode().put("model", "m").put("stream", true).put("think", false);
    body.putArray("messages").addObject().put("role", "user").put("content", prompt);
    body.putObject("options").put("num_predict", 1024);
    return mapper.writeValueAsBytes(body);
  }

  private String answer(BufferedSource source) throws IOException {
    StringBuilder answer = new StringBuilder();
    while (true) {
      Line read = line(source);
      answer.append(read.message().content());
      if (read.done()) {
        return answer.toString();
      }
    }
  }

  private Line line(BufferedSource source) throws IOException {
    String line = source.readUtf8Line();
    if (line == null) {
      throw new EOFException("no end marker");
    }
    return lines.readValue(line);
  }

  private final class OkHttpReading implements Streaming.Reading {
    private final Response response;
    private int length;

    OkHttpReading(Response response) {
      this.response = response;
    }

    @Override
    public String first() throws IOException {
      String text = line(response.body().source()).message().content();
      length += text.length();
      return text;
    }

    @Override
    public int rest() throws IOException {
      try (response) {
        Line read;
        do {
          read = line(response.body().source());
          length += read.message().content().length();
        } while (!read.done());
        return length;
      }
    }
  }

  @JsonIgnoreProperties(ignoreUnknown = true)
  record Line(Message message, boolean done) {}

  @JsonIgnoreProperties(ignoreUnknown = true)
  record Message(String content) {}
}
