// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.springai;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.observation.ChatModelObservationContext;
import org.springframework.ai.model.tool.ToolCallingChatOptions;

/** Calls what only one of the lines 1.1 and 2.0 of Spring AI has. */
final class SpringAiLine {
  /** A method of 1.1: since 2.0 an advisor runs the tools. */
  private static final @Nullable Method MODEL_RUNS_TOOLS =
      find(ToolCallingChatOptions.class, "getInternalToolExecutionEnabled");

  /** A method of 2.0. */
  private static final @Nullable Method STREAMING =
      find(ChatModelObservationContext.Builder.class, "streaming", boolean.class);

  private SpringAiLine() {}

  /** Returns whether the model runs the tools that an answer calls: in 1.1, unless switched off. */
  static boolean modelRunsTools(ToolCallingChatOptions options) {
    return MODEL_RUNS_TOOLS != null && !Boolean.FALSE.equals(invoke(MODEL_RUNS_TOOLS, options));
  }

  /** Says that a stream is observed, where there is a word for it. */
  static ChatModelObservationContext.Builder streaming(
      ChatModelObservationContext.Builder context) {
    if (STREAMING != null) {
      invoke(STREAMING, context, true);
    }
    return context;
  }

  private static @Nullable Method find(Class<?> type, String name, Class<?>... parameters) {
    try {
      return type.getMethod(name, parameters);
    } catch (NoSuchMethodException e) {
      return null;
    }
  }

  private static @Nullable Object invoke(Method method, Object target, Object... arguments) {
    try {
      return method.invoke(target, arguments);
    } catch (IllegalAccessException | InvocationTargetException e) {
      throw new IllegalStateException("Spring AI's " + method + " must not fail", e);
    }
  }
}
