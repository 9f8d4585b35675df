//! The words of contract 003.

use super::words::{Template, Words};

/// Django REST framework's Russian, and Till's own words in Russian.
pub static RUSSIAN: Words = Words {
    language: "ru",
    required: "Обязательное поле.",
    null: "Это поле не может быть пустым.",
    blank: "Это поле не может быть пустым.",
    not_a_text: "Не является строкой.",
    nul: "Символы с нулевым кодом не допускаются.",
    format_characters: "Невидимые символы форматирования не допускаются.",
    dots: "Значение не может быть «.» или «..».",
    too_many_characters: Template::new("Убедитесь, что это значение содержит не более {} символов."),
    not_a_number: "Требуется численное значение.",
    not_an_integer: "Требуется целочисленное значение.",
    too_long: "Слишком длинное значение.",
    too_small: Template::new("Убедитесь, что это значение больше либо равно {}."),
    too_great: Template::new("Убедитесь, что это значение меньше либо равно {}."),
    too_many_digits: Template::new("Убедитесь, что в числе не больше {} знаков."),
    too_many_decimals: Template::new("Убедитесь, что вы ввели не более {} цифры после запятой."),
    too_many_whole_digits: Template::new("Убедитесь, что в числе не больше {} знаков в целой части."),
    not_a_datetime: "Неправильный формат datetime. Используйте один из этих форматов:  YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
    too_many_elements: Template::new("Убедитесь, что в этом поле не больше {} элементов."),
    not_a_list: Template::new("Ожидался list со значениями, но был получен \"{}\"."),
    not_an_object: Template::new("Недопустимые данные. Ожидался dictionary, но был получен {}."),
    no_credentials: "Учетные данные не были предоставлены.",
    not_found: "Не найдено.",
    method_not_allowed: Template::new("Метод \"{}\" не разрешен."),
};
