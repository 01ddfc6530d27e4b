// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;
import org.jspecify.annotations.Nullable;
import org.springframework.aot.hint.ExecutableMode;
import org.springframework.aot.hint.ReflectionHints;
import org.springframework.aot.hint.RuntimeHints;
import org.springframework.aot.hint.RuntimeHintsRegistrar;
import org.springframework.aot.hint.TypeReference;

/**
 * The hints for a native image: resources, and classes that are looked for by name. Replies are
 * read as trees, so there are no types to bind; a record that is asked for is its application's to
 * register.
 */
final class OffmeterRuntimeHints implements RuntimeHintsRegistrar {
  /** The classes whose presence or version a client checks when it is built. */
  private static final List<String> CHECKED =
      List.of(
          "org.slf4j.spi.LoggingEventBuilder",
          "io.github.resilience4j.core.functions.CheckedSupplier",
          "io.github.resilience4j.circuitbreaker.CircuitBreaker",
          "io.github.resilience4j.timelimiter.TimeLimiter",
          "io.github.resilience4j.bulkhead.Bulkhead",
          "okhttp3.OkHttp",
          "com.fasterxml.jackson.core.json.PackageVersion",
          "com.fasterxml.jackson.databind.cfg.PackageVersion");

  @Override
  public void registerHints(RuntimeHints hints, @Nullable ClassLoader classLoader) {
    CHECKED.forEach(
        type ->
            hints
                .reflection()
                .registerType(TypeReference.of(type), hint -> hint.withField("VERSION")));
    virtualThreads(hints.reflection());
    hints.resources().registerPattern("dev/offmeter/integration/redis/*.lua");
  }

  /** Registers what starts virtual threads, which Java 17 does not have. */
  private static void virtualThreads(ReflectionHints reflection) {
    TypeReference ofVirtual = TypeReference.of("java.lang.Thread$Builder$OfVirtual");
    TypeReference factory = TypeReference.of(ThreadFactory.class);
    TypeReference flag = TypeReference.of(boolean.class);
    invoke(reflection, TypeReference.of(Thread.class), "ofVirtual", List.of());
    invoke(reflection, ofVirtual, "inheritInheritableThreadLocals", List.of(flag));
    invoke(reflection, TypeReference.of("java.lang.Thread$Builder"), "factory", List.of());
    invoke(
        reflection,
        TypeReference.of(Executors.class),
        "newThreadPerTaskExecutor",
        List.of(factory));
  }

  private static void invoke(
      ReflectionHints reflection,
      TypeReference type,
      String method,
      List<TypeReference> parameters) {
    reflection.registerType(
        type, hint -> hint.withMethod(method, parameters, ExecutableMode.INVOKE));
  }
}
