// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

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
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Every parameter of every public method of the root package rejects null, by name. */
class NullSweepTest {
  private static final LlmClient CLIENT =
      LlmClient.builder().endpoint(Endpoint.local("l", request -> "x").build()).build();

  /** Something to call the methods of each type on, made anew for each call. */
  private static final Map<Class<?>, Supplier<Object>> INSTANCES =
      Map.of(
          LlmClient.class, () -> CLIENT,
          LlmClient.Builder.class, LlmClient::builder,
          Endpoint.class, () -> Endpoint.local("l", request -> "x").build(),
          Endpoint.Builder.class, () -> Endpoint.ollama("o", "https://host").model("m"),
          Endpoint.FunctionBuilder.class, () -> Endpoint.local("l", request -> "x"),
          ChatRequest.class, () -> ChatRequest.builder().user("u").build(),
          ChatRequest.Builder.class, ChatRequest::builder,
          ChatResponse.Builder.class, ChatResponse::builder,
          Attempt.Builder.class, () -> Attempt.builder("e"),
          Message.class, () -> Message.user("u"));

  private static final Map<Class<?>, Object> VALUES =
      Map.of(
          byte[].class,
          new byte[0],
          Image[].class,
          new Image[0],
          String.class,
          "x",
          Role.class,
          Role.USER,
          Duration.class,
          Duration.ofSeconds(1),
          Function.class,
          (Function<Object, String>) request -> "x",
          Supplier.class,
          (Supplier<String>) () -> "x",
          Object.class,
          1,
          List.class,
          List.of(),
          FailureKind.class,
          FailureKind.STALLED);

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
            AllEndpointsFailedException.class);
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
