<?php
// Loads the checkout's library and tests, without the vendor folder that composer would make.

$checkout = getcwd();
spl_autoload_register(function (string $class) use ($checkout) {
    foreach (['PhpAmqpLib\\Tests\\' => 'tests', 'PhpAmqpLib\\' => 'PhpAmqpLib'] as $prefix => $folder) {
        if (str_starts_with($class, $prefix)) {
            $path = "$checkout/$folder/" . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
            if (is_file($path)) {
                require $path;
            }
            return;
        }
    }
});
require "$checkout/tests/config.php";
if (is_file("$checkout/tests/php_compat_71.php")) {
    require "$checkout/tests/php_compat_71.php";
}
