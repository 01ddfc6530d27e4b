// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.offmeter.testkit.FakeLlm;
import dev.offmeter.testkit.FakeRequest;
import dev.offmeter.testkit.ManualClock;
import dev.offmeter.testkit.ScriptedEndpoint;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Every parameter of every public method of the root package and of the test kit rejects null, by
 * name.
 */
class NullSweepTest {
  private static final LlmClient CLIENT =
      LlmClient.builder().endpoint(Endpoint.local("l", request -> "x").build()).build();

  @RegisterExtension private static final FakeLlm SERVER = FakeLlm.ollama();

  /** Something to call the methods of each type on, made anew for each call. */
  private static final Map<Class<?>, Supplier<Object>> INSTANCES =
      Map.ofEntries(
          Map.entry(LlmClient.class, () -> CLIENT),
          Map.entry(LlmClient.Builder.class, LlmClient::builder),
          Map.entry(Endpoint.class, () -> Endpoint.local("l", request -> "x").build()),
          Map.entry(Endpoint.Builder.class, () -> Endpoint.ollama("o", "https://host").model("m")),
          Map.entry(Endpoint.FunctionBuilder.class, () -> Endpoint.local("l", request -> "x")),
          Map.entry(ChatRequest.class, () -> ChatRequest.builder().user("u").build()),
          Map.entry(ChatRequest.Builder.class, ChatRequest::builder),
          Map.entry(ChatResponse.Builder.class, ChatResponse::builder),
          Map.entry(Attempt.Builder.class, () -> Attempt.builder("e")),
          Map.entry(Message.class, () -> Message.user("u")),
          Map.entry(FakeLlm.class, () -> SERVER),
          Map.entry(FakeRequest.class, () -> SERVER.requests().get(0)),
          Map.entry(ScriptedEndpoint.class, () -> ScriptedEndpoint.named("s")),
          Map.entry(ManualClock.class, ManualClock::new));

  private static final Map<Class<?>, Object> VALUES =
      Map.ofEntries(
          Map.entry(byte[].class, new byte[0]),
          Map.entry(Image[].class, new Image[0]),
          Map.entry(String.class, "x"),
          Map.entry(Role.class, Role.USER),
          Map.entry(Duration.class, Duration.ofSeconds(1)),
          Map.entry(Function.class, (Function<Object, String>) request -> "x"),
          Map.entry(Supplier.class, (Supplier<String>) () -> "x"),
          Map.entry(Object.class, 1),
          Map.entry(List.class, List.of()),
          Map.entry(FailureKind.class, FailureKind.STALLED));

  @BeforeAll
  static void askOnce() {
    try (LlmClient client = LlmClient.builder().endpoint(SERVER.endpoint("node").build()).build()) {
      client.chat("Say x.");
    }
  }

  @TestFactory
  Stream<DynamicTest> rejectsNull() {
    List<DynamicTest> tests = new ArrayList<>();
    Stream<Class<?>> types =
        Stream.of(
            LlmClient.class,
            LlmClient.Builder.class,
            Endpoint.class,
            Endpoint.Builder.class,
            Endpoint.FunctionBuilder.class,
            ChatRequest.Builder.class,
            ChatResponse.Builder.class,
            Attempt.class,
            Attempt.Builder.class,
            Message.class,
            Image.class,
            LlmException.class,
            AllEndpointsFailedException.class,
            FakeLlm.class,
            FakeRequest.class,
            ScriptedEndpoint.class,
            ManualClock.class);
    types.forEach(
        type -> {
          Stream.concat(Stream.of(type.getDeclaredMethods()), Stream.of(type.getConstructors()))
              .filter(method -> Modifier.isPublic(method.getModifiers()))
              .filter(method -> !method.isSynthetic())
              .filter(method -> !method.getName().equals("equals"))
              .forEach(method -> addTests(tests, method));
        });
    assertThat(tests).hasSizeGreaterThan(50);
    return tests.stream();
  }

  private static void addTests(List<DynamicTest> tests, Executable method) {
    for (int i = 0; i < method.getParameterCount(); i++) {
      int index = i;
      if (!method.getParameterTypes()[i].isPrimitive()) {
        String name =
            method.getDeclaringClass().getSimpleName() + "." + method.getName() + " #" + i;
        tests.add(DynamicTest.dynamicTest(name, () -> assertRejectsNullAt(method, index)));
      }
    }
  }

  private static void assertRejectsNullAt(Executable method, int index) throws Exception {
    Object[] arguments = new Object[method.getParameterCount()];
    for (int i = 0; i < arguments.length; i++) {
      arguments[i] = i == index ? null : value(method.getParameterTypes()[i]);
    }
    try {
      invoke(method, arguments);
      fail("null was accepted");
    } catch (InvocationTargetException e) {
      assertThat(e.getCause()).isInstanceOf(NullPointerException.class);
    }
  }

  private static Object value(Class<?> type) {
    if (type == long.class) {
      return 2048L;
    }
    if (type == boolean.class) {
      return true;
    }
    return type.isPrimitive() ? (Object) 1 : VALUES.get(type);
  }

  private static void invoke(Executable method, Object[] arguments) throws Exception {
    if (method instanceof Constructor<?> constructor) {
      constructor.newInstance(arguments);
    } else {
      boolean isStatic = Modifier.isStatic(method.getModifiers());
      Object target = isStatic ? null : INSTANCES.get(method.getDeclaringClass()).get();
      ((Method) method).invoke(target, arguments);
    }
  }
}
