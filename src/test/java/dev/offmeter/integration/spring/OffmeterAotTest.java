// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.springframework.aot.generate.ClassNameGenerator;
import org.springframework.aot.generate.DefaultGenerationContext;
import org.springframework.aot.generate.GeneratedFiles.Kind;
import org.springframework.aot.generate.InMemoryGeneratedFiles;
import org.springframework.aot.hint.RuntimeHints;
import org.springframework.aot.hint.predicate.RuntimeHintsPredicates;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.aot.ApplicationContextAotGenerator;
import org.springframework.core.io.support.SpringFactoriesLoader;
import org.springframework.javapoet.ClassName;

/** What a native image is told. */
class OffmeterAotTest {
  private static RuntimeHints hints() {
    RuntimeHints hints = new RuntimeHints();
    new OffmeterRuntimeHints().registerHints(hints, null);
    return hints;
  }

  @Test
  void theHintsAreRegistered() {
    List<org.springframework.aot.hint.RuntimeHintsRegistrar> registrars =
        SpringFactoriesLoader.forResourceLocation("META-INF/spring/aot.factories")
            .load(org.springframework.aot.hint.RuntimeHintsRegistrar.class);

    assertThat(registrars).hasAtLeastOneElementOfType(OffmeterRuntimeHints.class);
  }

  @Test
  void theScriptsOfRedisAreInTheImage() throws Exception {
    Path scripts = Path.of("src/main/resources/dev/offmeter/integration/redis");
    try (var files = Files.list(scripts)) {
      assertThat(files.map(Path::getFileName).map(Path::toString))
          .isNotEmpty()
          .allMatch(
              file ->
                  RuntimeHintsPredicates.resource()
                      .forResource("dev/offmeter/integration/redis/" + file)
                      .test(hints()));
    }
  }

  @Test
  void theClassesAreFoundByWhichAClientChecksItsLibraries() throws Exception {
    String source = Files.readString(Path.of("src/main/java/dev/offmeter/Dependencies.java"));
    List<String> names =
        Pattern.compile("must(?:Have|Be)\\((?:GROUP|\")[^;]*?\"([\\w.]+)\"\\)")
            .matcher(source)
            .results()
            .map(found -> found.group(1))
            .toList();
    List<String> hinted =
        hints()
            .reflection()
            .typeHints()
            .map(hint -> hint.getType().getName())
            .filter(name -> !name.startsWith("java."))
            .toList();

    assertThat(names).hasSameSizeAs(hinted).hasSize(8);
    assertThat(hinted).allMatch(name -> names.stream().anyMatch(name::endsWith));
    for (String name : hinted) {
      assertThat(Class.forName(name)).isNotNull();
    }
  }

  @Test
  void theClientIsPartOfAContextThatWasProcessedAheadOfTime() throws Exception {
    InMemoryGeneratedFiles files = new InMemoryGeneratedFiles();
    DefaultGenerationContext generation =
        new DefaultGenerationContext(
            new ClassNameGenerator(ClassName.get(OffmeterAotTest.class)), files);
    try (AnnotationConfigApplicationContext context = new AnnotationConfigApplicationContext()) {
      context.register(OffmeterAutoConfiguration.class, OffmeterEndpointAutoConfiguration.class);
      new ApplicationContextAotGenerator().processAheadOfTime(context, generation);
    }
    generation.writeGeneratedContent();

    assertThat(files.getGeneratedFiles(Kind.SOURCE).keySet())
        .anyMatch(file -> file.endsWith("OffmeterAutoConfiguration__BeanDefinitions.java"));
    assertThat(
            RuntimeHintsPredicates.reflection()
                .onType(OffmeterProperties.Endpoint.class)
                .test(generation.getRuntimeHints()))
        .isTrue();
  }
}
