// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import com.sun.management.OperatingSystemMXBean;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import java.lang.management.ManagementFactory;
import java.util.concurrent.TimeUnit;
import okhttp3.OkHttpClient;

/**
 * A process that asks once and ends. Prints microseconds from {@code main} to the answer,
 * microseconds of processor time since the process began, and how many classes have been loaded.
 */
final class FirstAnswer {
  private FirstAnswer() {}

  public static void main(String[] args) throws Exception {
    long begun = System.nanoTime();
    String answer = ask(args[0], args[1]);
    long nanos = System.nanoTime() - begun;
    if (!answer.equals(BenchServer.ANSWER) && !answer.isEmpty()) {
      throw new IllegalStateException(args[0] + " answered: " + answer);
    }
    long classes = ManagementFactory.getClassLoadingMXBean().getTotalLoadedClassCount();
    long processor =
        ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    System.out.println(micros(nanos) + " " + micros(processor) + " " + classes);
    System.exit(0);
  }

  private static long micros(long nanos) {
    return TimeUnit.NANOSECONDS.toMicros(nanos);
  }

  /** No client is made by a lambda: the first of a process costs as much as fifty classes. */
  private static String ask(String client, String url) throws Exception {
    if (client.equals("okhttp")) {
      return new BareOkHttp(url).ask(ChatBenchmark.PROMPT);
    }
    if (client.equals("offmeter")) {
      Endpoint server = Endpoint.ollama("server", url).model("m").build();
      return LlmClient.builder().endpoint(server).build().chat(ChatBenchmark.PROMPT).text();
    }
    if (client.equals("offmeter-tls")) {
      Endpoint server = Endpoint.ollama("server", url).model("m").build();
      LlmClient.Builder llm = LlmClient.builder().endpoint(server);
      return llm.httpClient(new OkHttpClient()).build().chat(ChatBenchmark.PROMPT).text();
    }
    // Without a client: the cost of the process and of measuring it.
    return "";
  }
}
