// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * The programs that a test needs. Where one is missing the test is skipped and says so; with {@code
 * OFFMETER_REAL_SERVERS=required} it runs, and fails.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(Needs.Condition.class)
@interface Needs {
  /** The programs. */
  Program[] value();

  /** Skips a test class of which a program is missing. */
  final class Condition implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      boolean required = "required".equals(System.getenv("OFFMETER_REAL_SERVERS"));
      Needs needs = context.getRequiredTestClass().getAnnotation(Needs.class);
      Optional<String> missing =
          Stream.of(needs.value())
              .filter(program -> program.find().isEmpty())
              .map(Program::missing)
              .findFirst();
      if (required || missing.isEmpty()) {
        return ConditionEvaluationResult.enabled("every program is there, or has to be");
      }
      System.out.println(context.getDisplayName() + " is skipped: " + missing.get());
      return ConditionEvaluationResult.disabled(missing.get());
    }
  }
}
