// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The public API stands in a file, so that a change of it is seen in review. After a change that is
 * meant, {@code mvn -Dtest=PublicApiTest -Doffmeter.publicApi=write test} writes it anew.
 */
class PublicApiTest {
  private static final Path FILE = Path.of("src/test/resources/public-api.txt");
  private static final Path OF_THE_TEST_KIT = Path.of("src/test/resources/testkit-api.txt");

  @Test
  void thePublicApiIsTheOneThatWasReviewed() throws IOException {
    ImportOption library = new ImportOption.DoNotIncludeTests();

    check(FILE, new ClassFileImporter().withImportOption(library).importPackages("dev.offmeter"));
  }

  @Test
  void theApiOfTheTestKitIsTheOneThatWasReviewed() throws IOException {
    check(OF_THE_TEST_KIT, new ClassFileImporter().importPackages("dev.offmeter.testkit"));
  }

  private static void check(Path reviewed, JavaClasses classes) throws IOException {
    String api =
        PublicApi.types(classes).map(PublicApiTest::told).collect(Collectors.joining("\n"));

    if ("write".equals(System.getProperty("offmeter.publicApi"))) {
      Files.writeString(reviewed, api);
    }
    assertThat(api).isEqualTo(Files.readString(reviewed));
  }

  private static String told(Class<?> type) {
    Stream<String> members = PublicApi.members(type).map(PublicApiTest::told).sorted();
    return head(type)
        + "\n"
        + members.map(member -> "  " + member + "\n").collect(Collectors.joining());
  }

  private static String head(Class<?> type) {
    String kind =
        type.isRecord()
            ? "record "
            : type.isEnum() ? "enum " : type.isInterface() ? "interface " : "class ";
    String sealed = type.isSealed() ? "sealed " : "";
    Type parent = type.getGenericSuperclass();
    boolean named = kind.equals("class ") && parent != null && parent != Object.class;
    String parents =
        Stream.concat(named ? Stream.of(parent) : Stream.empty(), interfaces(type))
            .map(PublicApiTest::shortly)
            .collect(Collectors.joining(", "));
    return sealed
        + kind
        + shortly(type)
        + parameters(List.of(type.getTypeParameters()))
        + (parents.isEmpty() ? "" : " : " + parents);
  }

  private static Stream<Type> interfaces(Class<?> type) {
    return Arrays.stream(type.getGenericInterfaces());
  }

  private static String told(Member member) {
    String statically = Modifier.isStatic(member.getModifiers()) ? "static " : "";
    if (member instanceof Field field) {
      return statically + shortly(field.getGenericType()) + " " + field.getName();
    }
    Executable executable = (Executable) member;
    String arguments =
        Arrays.stream(executable.getGenericParameterTypes())
            .map(PublicApiTest::shortly)
            .collect(Collectors.joining(", ", "(", ")"));
    String thrown =
        Arrays.stream(executable.getGenericExceptionTypes())
            .map(PublicApiTest::shortly)
            .collect(Collectors.joining(", "));
    String generic = parameters(List.of(executable.getTypeParameters()));
    return (executable instanceof Method method
            ? statically
                + (method.isDefault() ? "default " : "")
                + (generic.isEmpty() ? "" : generic + " ")
                + shortly(method.getGenericReturnType())
                + " "
                + method.getName()
            : "new " + shortly(((Constructor<?>) executable).getDeclaringClass()))
        + arguments
        + (thrown.isEmpty() ? "" : " throws " + thrown);
  }

  private static String parameters(List<? extends Type> parameters) {
    return parameters.isEmpty()
        ? ""
        : parameters.stream()
            .map(PublicApiTest::shortly)
            .collect(Collectors.joining(", ", "<", ">"));
  }

  /** Returns the name of a type without the packages that everybody knows. */
  private static String shortly(Type type) {
    return type.getTypeName()
        .replaceAll("\\b(dev\\.offmeter|java\\.(lang|util|time)(\\.function)?)\\.(?=[A-Z])", "")
        .replace('$', '.');
  }
}
