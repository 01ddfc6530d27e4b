// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * The arrows between packages: client, failover, endpoint, wire, each knowing those to its right.
 */
class ArchitectureTest {
  private static final JavaClasses MAIN =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("dev.offmeter");

  @Test
  void onlyFailoverAndCircuitKnowResilience4j() {
    noClasses()
        .that()
        .resideOutsideOfPackages("dev.offmeter.internal.failover", "dev.offmeter.internal.circuit")
        .and()
        .doNotHaveFullyQualifiedName("dev.offmeter.observe.Resilience4jRegistries")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("io.github.resilience4j..")
        .check(MAIN);
  }

  @Test
  void onlyWireSchemaAndJsonKnowJackson() {
    noClasses()
        .that()
        .resideOutsideOfPackages(
            "dev.offmeter.internal.wire..",
            "dev.offmeter.internal.schema",
            "dev.offmeter.internal.json")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("com.fasterxml.jackson..")
        .check(MAIN);
  }

  @Test
  void onlyOneClassKnowsSnakeYaml() {
    noClasses()
        .that()
        .doNotHaveFullyQualifiedName("dev.offmeter.internal.config.litellm.YamlReader")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.yaml.snakeyaml..")
        .check(MAIN);
  }

  @Test
  void jacksonIsInNoPublicSignature() {
    methods()
        .that()
        .arePublic()
        .and()
        .areDeclaredInClassesThat()
        .arePublic()
        .should(haveNoParameterOrResultFrom("com.fasterxml.jackson"))
        .check(MAIN);
  }

  @Test
  void packagesHaveNoCycles() {
    slices().matching("dev.offmeter.(*)..").should().beFreeOfCycles().check(MAIN);
  }

  @Test
  void nobodyBelowKnowsTheClient() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.offmeter")
        .should()
        .dependOnClassesThat()
        .belongToAnyOf(LlmClient.class)
        .check(MAIN);
  }

  @Test
  void theRootPackageIsAVocabularyOfSeventeen() {
    assertThat(
            MAIN.stream()
                .filter(type -> type.getPackageName().equals("dev.offmeter"))
                .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
                .filter(JavaClass::isTopLevelClass))
        .hasSizeLessThanOrEqualTo(17);
    assertThat(
            MAIN.stream()
                .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
                .filter(JavaClass::isTopLevelClass))
        .as("public types in all")
        .hasSizeLessThanOrEqualTo(64);
  }

  @Test
  void classesAreFinalUnlessMadeToBeExtended() {
    Set<String> open = Set.of("dev.offmeter.LlmException");
    classes()
        .that()
        .areTopLevelClasses()
        .and()
        .areNotInterfaces()
        .and()
        .doNotHaveSimpleName("package-info")
        .and(notNamed(open))
        .should()
        .haveModifier(JavaModifier.FINAL)
        .check(MAIN);
  }

  private static DescribedPredicate<JavaClass> notNamed(Set<String> names) {
    return DescribedPredicate.describe("not in " + names, type -> !names.contains(type.getName()));
  }

  private static ArchCondition<JavaMethod> haveNoParameterOrResultFrom(String prefix) {
    return new ArchCondition<>("have no parameter or result from " + prefix) {
      @Override
      public void check(JavaMethod method, ConditionEvents events) {
        boolean found =
            method.getRawReturnType().getName().startsWith(prefix)
                || method.getRawParameterTypes().stream()
                    .anyMatch(type -> type.getName().startsWith(prefix));
        events.add(new SimpleConditionEvent(method, !found, method.getFullName()));
      }
    };
  }
}
